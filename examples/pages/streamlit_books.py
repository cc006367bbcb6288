"""The page that `streamlit_app.py` serves: a user card, a part for the signed-in only, a button."""

import streamlit as st

from authflow.integrations.streamlit import page

st.title("Your library")
here = page()
here.user_card()
if here.session:
    st.write(f"{here.session.user.name}, you have read 12 books.")
here.button()
