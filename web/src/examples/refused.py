# There is no network, so the policy refuses this module.
# The program is not run, and the place is marked.
import smtplib

server = smtplib.SMTP("mail.example.com")
